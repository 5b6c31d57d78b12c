# SPDX-License-Identifier: MIT
#
# Man pages and completion: installed as they are, and checked against the command table by
# tests/integration/50-cli.py. Included by the Makefile.

MAN_PAGES = man/holdfast.1 man/holdfast-cluster.yaml.5 man/holdfast-broker.8 man/holdfast-worker.8 \
            man/holdfast-view.8 man/holdfast-relay.8 man/holdfast-console.1

.PHONY: install-cli
install-cli:
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5 \
	    $(DESTDIR)$(PREFIX)/share/man/man8 $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install -m 644 man/holdfast.1 man/holdfast-console.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 man/holdfast-cluster.yaml.5 $(DESTDIR)$(PREFIX)/share/man/man5/
	install -m 644 man/holdfast-broker.8 man/holdfast-worker.8 man/holdfast-view.8 \
	    man/holdfast-relay.8 $(DESTDIR)$(PREFIX)/share/man/man8/
	install -m 644 completion/holdfast.bash \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions/holdfast

# Writes what the command table says into the completion.
.PHONY: completion
completion: $(BUILD)/bin/holdfast
	completion/update $(BUILD)/bin/holdfast

.PHONY: lint-man
lint-man:
	mandoc -Tlint -W warning $(MAN_PAGES)
