# SPDX-License-Identifier: MIT
"""A broker dies while its clients have nothing to say: who asks next does not wait for heartbeats.
"""
from harness import *

CLIENTS = 16
HEARTBEAT_S = int(scale(4))  # so a client that waits for three of them waits for much longer than is asserted


@test("the next operation of an idle client whose broker was killed goes to the other one at once")
def next_operation(cluster):
    cluster.stock("IDLE", W=1000)
    victim = sorted(cluster.processes("broker"), key=lambda p: p.name)[0]
    supervisor = next(p for p in cluster.processes("supervisor") if "load" not in p.argv[0])
    script = ["%d\t%d\treserve\tline=IDLE=1@W" % (client, at)
              for client in range(CLIENTS) for at in (0, int(scale(4000)))]
    trouble = []

    def act():
        try:
            wait_until(lambda: cluster.level("IDLE")["reserved"] == CLIENTS, 20, "all have asked once")
            cluster.stop(supervisor)  # or there would be another broker at its place
            os.kill(victim.pid, signal.SIGKILL)
        except Exception as error:
            trouble.append(error)
    thread = threading.Thread(target=act)
    thread.start()
    results = cluster.load(script, clients=CLIENTS, timeout_ms=int(scale(60000)))
    thread.join()
    cluster.cont(supervisor)
    if trouble:
        raise trouble[0]
    equal({row["status"] for row in results}, {"applied"}, "results")
    equal(cluster.level("IDLE")["reserved"], 2 * CLIENTS, "reserved, once each")
    waited = sorted((int(row["end_us"]) - int(row["begin_us"])) / 1e6 for row in results)
    note("the slowest of %d took %.3f s, the median %.3f s"
         % (len(waited), waited[-1], waited[len(waited) // 2]))
    check(waited[-1] < HEARTBEAT_S, "nobody waited for heartbeats")


if __name__ == "__main__":
    run(workers=1, brokers=2, windows={"heartbeat": "%ds" % HEARTBEAT_S, "lease": "%ds" % (2 * HEARTBEAT_S)})
