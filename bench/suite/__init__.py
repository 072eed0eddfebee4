"""The benchmark suite behind `bench/run`.

Where to look:

    flags, the order of things          main
    building and running one command    measure
    taking turns, medians               rounds
    how each program is called          programs
    nginx, certificates                 servers
    namespaces and the emulated link    network
    what machine this is                machine
    tables, docs/performance.md         report
    what is measured                    scenarios/, a file per question
"""
