# SPDX-License-Identifier: MIT
#
# bash completion for holdfast: commands, options, files, and warehouses where a word names one.
# The table between the marks is what `holdfast help --table` prints; completion/update writes it,
# tests/integration/50-cli.py checks it.

# table:begin
_holdfast_table='command	up	-	-
option	up	--dir	DIR	folder	-
option	up	--shards	N	-	-
option	up	--workers	N	-	-
option	up	--brokers	N	-	-
option	up	--views	N	-	-
option	up	--relays	N	-	-
option	up	--partitions	N	-	-
option	up	--help	-	-	-
option	up	--json	-	-	-
command	down	-	-
option	down	--dir	DIR	folder	-
option	down	--destroy	-	-	-
option	down	--help	-	-	-
option	down	--json	-	-	-
command	status	-	-
option	status	--dir	DIR	folder	-
option	status	--timeout	D	-	-
option	status	--help	-	-	-
option	status	--json	-	-	-
command	doctor	-	-
option	doctor	--dir	DIR	folder	-
option	doctor	--help	-	-	-
option	doctor	--json	-	-	-
command	warehouse put	CODE	warehouse
option	warehouse put	--name	T	-	-
option	warehouse put	--id	UUID	-	-
option	warehouse put	--actor	NAME	-	-
option	warehouse put	--note	T	-	-
option	warehouse put	--timeout	D	-	-
option	warehouse put	--help	-	-	-
option	warehouse put	--json	-	-	-
command	warehouse list	-	-
option	warehouse list	--limit	N	-	-
option	warehouse list	--after	CODE	-	-
option	warehouse list	--timeout	D	-	-
option	warehouse list	--help	-	-	-
option	warehouse list	--json	-	-	-
command	item put	SKU	-
option	item put	--name	T	-	-
option	item put	--barcode	GTIN	-	-
option	item put	--reorder-point	N	-	-
option	item put	--id	UUID	-	-
option	item put	--actor	NAME	-	-
option	item put	--note	T	-	-
option	item put	--timeout	D	-	-
option	item put	--help	-	-	-
option	item put	--json	-	-	-
command	item get	SKU	-
option	item get	--timeout	D	-	-
option	item get	--help	-	-	-
option	item get	--json	-	-	-
command	item list	-	-
option	item list	--limit	N	-	-
option	item list	--after	CODE	-	-
option	item list	--timeout	D	-	-
option	item list	--help	-	-	-
option	item list	--json	-	-	-
command	reason put	CODE	-
option	reason put	--name	T	-	-
option	reason put	--id	UUID	-	-
option	reason put	--actor	NAME	-	-
option	reason put	--note	T	-	-
option	reason put	--timeout	D	-	-
option	reason put	--help	-	-	-
option	reason put	--json	-	-	-
command	reason list	-	-
option	reason list	--limit	N	-	-
option	reason list	--after	CODE	-	-
option	reason list	--timeout	D	-	-
option	reason list	--help	-	-	-
option	reason list	--json	-	-	-
command	import	FILE.csv	file
option	import	--rejects	FILE	file	-
option	import	--id	UUID	-	-
option	import	--actor	NAME	-	-
option	import	--note	T	-	-
option	import	--timeout	D	-	-
option	import	--help	-	-	-
option	import	--json	-	-	-
command	plan	FILE	file
option	plan	--out	P	file	-
option	plan	--csv	-	-	-
option	plan	--run	RUN	-	-
option	plan	--timeout	D	-	-
option	plan	--help	-	-	-
option	plan	--json	-	-	-
command	apply	FILE|P	file
option	apply	--resume	-	-	-
option	apply	--fail-fast	-	-	-
option	apply	--retry-refused	-	-	-
option	apply	--csv	-	-	-
option	apply	--run	RUN	-	-
option	apply	--id	UUID	-	-
option	apply	--actor	NAME	-	-
option	apply	--note	T	-	-
option	apply	--timeout	D	-	-
option	apply	--help	-	-	-
option	apply	--json	-	-	-
command	undo	RUN|MOVEMENT	-
option	undo	--id	UUID	-	-
option	undo	--actor	NAME	-	-
option	undo	--note	T	-	-
option	undo	--timeout	D	-	-
option	undo	--help	-	-	-
option	undo	--json	-	-	-
command	run list	-	-
option	run list	--limit	N	-	-
option	run list	--timeout	D	-	-
option	run list	--help	-	-	-
option	run list	--json	-	-	-
command	run show	RUN	-
option	run show	--all	-	-	-
option	run show	--timeout	D	-	-
option	run show	--help	-	-	-
option	run show	--json	-	-	-
command	stock	[SKU]	-
option	stock	--warehouse	W	warehouse	-
option	stock	--limit	N	-	-
option	stock	--after	SKU	-	-
option	stock	--consistency	HOW	-	-
option	stock	--timeout	D	-	-
option	stock	--help	-	-	-
option	stock	--json	-	-	-
command	reserve	LINE…	-
option	reserve	--ttl	D	-	-
option	reserve	--order	REF	-	-
option	reserve	--policy	P	-	most-available|nearest-first
option	reserve	--warehouse	W	warehouse	-
option	reserve	--may-split	-	-	-
option	reserve	--id	UUID	-	-
option	reserve	--actor	NAME	-	-
option	reserve	--note	T	-	-
option	reserve	--timeout	D	-	-
option	reserve	--help	-	-	-
option	reserve	--json	-	-	-
command	extend	R	-
option	extend	--ttl	D	-	-
option	extend	--id	UUID	-	-
option	extend	--actor	NAME	-	-
option	extend	--note	T	-	-
option	extend	--timeout	D	-	-
option	extend	--help	-	-	-
option	extend	--json	-	-	-
command	purchase	R [LINE…]	-
option	purchase	--keep-remainder	-	-	-
option	purchase	--revive	-	-	-
option	purchase	--id	UUID	-	-
option	purchase	--actor	NAME	-	-
option	purchase	--note	T	-	-
option	purchase	--timeout	D	-	-
option	purchase	--help	-	-	-
option	purchase	--json	-	-	-
command	release	R [LINE…]	-
option	release	--id	UUID	-	-
option	release	--actor	NAME	-	-
option	release	--note	T	-	-
option	release	--timeout	D	-	-
option	release	--help	-	-	-
option	release	--json	-	-	-
command	ship	R [LINE…]	-
option	ship	--reason	R	-	-
option	ship	--reference	T	-	-
option	ship	--id	UUID	-	-
option	ship	--actor	NAME	-	-
option	ship	--note	T	-	-
option	ship	--timeout	D	-	-
option	ship	--help	-	-	-
option	ship	--json	-	-	-
command	cancel	R [LINE…]	-
option	cancel	--reason	R	-	-
option	cancel	--id	UUID	-	-
option	cancel	--actor	NAME	-	-
option	cancel	--note	T	-	-
option	cancel	--timeout	D	-	-
option	cancel	--help	-	-	-
option	cancel	--json	-	-	-
command	return	R LINE…	-
option	return	--restock	-	-	-
option	return	--quarantine	-	-	-
option	return	--reason	R	-	-
option	return	--reference	T	-	-
option	return	--id	UUID	-	-
option	return	--actor	NAME	-	-
option	return	--note	T	-	-
option	return	--timeout	D	-	-
option	return	--help	-	-	-
option	return	--json	-	-	-
command	receive	LINE…	-
option	receive	--reference	T	-	-
option	receive	--id	UUID	-	-
option	receive	--actor	NAME	-	-
option	receive	--note	T	-	-
option	receive	--timeout	D	-	-
option	receive	--help	-	-	-
option	receive	--json	-	-	-
command	adjust	SKU=CHANGE@W	-
option	adjust	--reason	R	-	-
option	adjust	--accept-shortfall	-	-	-
option	adjust	--id	UUID	-	-
option	adjust	--actor	NAME	-	-
option	adjust	--note	T	-	-
option	adjust	--timeout	D	-	-
option	adjust	--help	-	-	-
option	adjust	--json	-	-	-
command	count	SKU=QTY@W	-
option	count	--if-version	V	-	-
option	count	--reason	R	-	-
option	count	--id	UUID	-	-
option	count	--actor	NAME	-	-
option	count	--note	T	-	-
option	count	--timeout	D	-	-
option	count	--help	-	-	-
option	count	--json	-	-	-
command	transfer	SKU=QTY@FROM	-
option	transfer	--to	W	warehouse	-
option	transfer	--reference	T	-	-
option	transfer	--id	UUID	-	-
option	transfer	--actor	NAME	-	-
option	transfer	--note	T	-	-
option	transfer	--timeout	D	-	-
option	transfer	--help	-	-	-
option	transfer	--json	-	-	-
command	quarantine	LINE…	-
option	quarantine	--reason	R	-	-
option	quarantine	--accept-shortfall	-	-	-
option	quarantine	--id	UUID	-	-
option	quarantine	--actor	NAME	-	-
option	quarantine	--note	T	-	-
option	quarantine	--timeout	D	-	-
option	quarantine	--help	-	-	-
option	quarantine	--json	-	-	-
command	restore	LINE…	-
option	restore	--reason	R	-	-
option	restore	--id	UUID	-	-
option	restore	--actor	NAME	-	-
option	restore	--note	T	-	-
option	restore	--timeout	D	-	-
option	restore	--help	-	-	-
option	restore	--json	-	-	-
command	safety-stock	SKU=QTY@W	-
option	safety-stock	--id	UUID	-	-
option	safety-stock	--actor	NAME	-	-
option	safety-stock	--note	T	-	-
option	safety-stock	--timeout	D	-	-
option	safety-stock	--help	-	-	-
option	safety-stock	--json	-	-	-
command	reservation show	R	-
option	reservation show	--consistency	HOW	-	-
option	reservation show	--timeout	D	-	-
option	reservation show	--help	-	-	-
option	reservation show	--json	-	-	-
command	reservation list	-	-
option	reservation list	--order	REF	-	-
option	reservation list	--sku	SKU	-	-
option	reservation list	--expiring	-	-	-
option	reservation list	--limit	N	-	-
option	reservation list	--consistency	HOW	-	-
option	reservation list	--timeout	D	-	-
option	reservation list	--help	-	-	-
option	reservation list	--json	-	-	-
command	order	REF	-
option	order	--open	-	-	-
option	order	--consistency	HOW	-	-
option	order	--timeout	D	-	-
option	order	--help	-	-	-
option	order	--json	-	-	-
command	history	SKU	-
option	history	--warehouse	W	warehouse	-
option	history	--before	SEQ	-	-
option	history	--limit	N	-	-
option	history	--timeout	D	-	-
option	history	--help	-	-	-
option	history	--json	-	-	-
command	events	NAME	-
option	events	--from	POSITION	-	-
option	events	--follow	-	-	-
option	events	--timeout	D	-	-
option	events	--help	-	-	-
option	events	--json	-	-	-
command	subscription list	-	-
option	subscription list	--limit	N	-	-
option	subscription list	--after	CODE	-	-
option	subscription list	--timeout	D	-	-
option	subscription list	--help	-	-	-
option	subscription list	--json	-	-	-
command	subscription delete	NAME	-
option	subscription delete	--timeout	D	-	-
option	subscription delete	--help	-	-	-
option	subscription delete	--json	-	-	-
command	settle	UUID	-
option	settle	--timeout	D	-	-
option	settle	--help	-	-	-
option	settle	--json	-	-	-
command	export	-	-
option	export	--count-sheet	W	warehouse	-
option	export	--csv	-	-	-
option	export	--run	NAME	-	-
option	export	--timeout	D	-	-
option	export	--help	-	-	-
option	export	--json	-	-	-
command	audit	-	-
option	audit	--no-views	-	-	-
option	audit	--watch	-	-	-
option	audit	--every	D	-	-
option	audit	--propose	FILE	file	-
option	audit	--timeout	D	-	-
option	audit	--help	-	-	-
option	audit	--json	-	-	-
command	new-id	-	-
option	new-id	--help	-	-	-
option	new-id	--json	-	-	-
command	version	-	-
option	version	--help	-	-	-
option	version	--json	-	-	-'
# table:end

# Warehouses of the running cluster; nothing when it does not answer at once.
_holdfast_warehouses() {
    local cluster=()
    [[ -n $1 ]] && cluster=(-C "$1")
    command holdfast "${cluster[@]}" warehouse list --limit 1000 --timeout 1s --json 2>/dev/null |
        sed -n 's/^{"warehouse":"\([^"\\]*\)".*/\1/p'
}

# words, one a line → COMPREPLY, each once. Not compgen -W: that would expand what a warehouse is called.
_holdfast_offer() {
    local word
    local -A seen=()
    while IFS= read -r word; do
        [[ -n $word && $word == "$2"* && -z ${seen["$word"]-} ]] || continue
        seen["$word"]=1
        COMPREPLY+=("$(printf '%q' "$word")")
    done <<<"$1"
}

# What completes is: file, folder, warehouse, or - with choices a|b.
_holdfast_offer_value() {
    case $1 in
    file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$4") ;;
    folder) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$4") ;;
    warehouse) _holdfast_offer "$(_holdfast_warehouses "$3")" "$4" ;;
    *) [[ $2 != - ]] && _holdfast_offer "${2//|/$'\n'}" "$4" ;;
    esac
}

_holdfast() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local cluster_file='' words=() i kind name completes choices rest
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -C) ((i++)); cluster_file=${COMP_WORDS[i]} ;;
        -*) ;;
        *) words+=("${COMP_WORDS[i]}") ;;
        esac
    done
    if [[ $prev == -C ]]; then
        _holdfast_offer_value file - "" "$cur"
        return
    fi
    [[ ${words[0]} == help ]] && words=("${words[@]:1}")

    # The command that has been typed, of one or two words; or what can still be typed of one.
    local command='' next=''
    while IFS=$'\t' read -r kind name _ completes rest; do
        [[ $kind == command ]] || continue
        if [[ ${#words[@]} -eq 0 ]]; then
            next+="${name%% *}"$'\n'
        elif [[ $name == "${words[0]}" || $name == "${words[0]} ${words[1]}" ]]; then
            command=$name
            break
        elif [[ ${#words[@]} -eq 1 && $name == "${words[0]} "* ]]; then
            next+="${name#* }"$'\n'
        fi
    done <<<"$_holdfast_table"
    if [[ -z $command ]]; then
        [[ ${#words[@]} -eq 0 ]] && next+="help"$'\n'
        _holdfast_offer "$next" "$cur"
        return
    fi

    # A LINE's warehouse: bash takes WID-1=3@BER1 apart at = and @.
    if [[ $cur == @ ]]; then
        _holdfast_offer "$(_holdfast_warehouses "$cluster_file")" ""
        return
    elif [[ $prev == @ ]]; then
        _holdfast_offer "$(_holdfast_warehouses "$cluster_file")" "$cur"
        return
    fi

    local options='' option value option_completes
    while IFS=$'\t' read -r kind name option value option_completes choices; do
        [[ $kind == option && $name == "$command" ]] || continue
        options+="$option"$'\n'
        if [[ $prev == "$option" && $value != - ]]; then
            _holdfast_offer_value "$option_completes" "$choices" "$cluster_file" "$cur"
            return
        fi
    done <<<"$_holdfast_table"
    if [[ $cur == -* ]]; then
        _holdfast_offer "$options" "$cur"
    else
        _holdfast_offer_value "$completes" - "$cluster_file" "$cur"
    fi
}

complete -F _holdfast holdfast
