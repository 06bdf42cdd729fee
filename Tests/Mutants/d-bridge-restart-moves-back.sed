# Bridge: a restart gives a VSI back to the port that had lost it.
# file: Sources/EVBDaemon/Bridge/VSIPlaces.swift
# swift: ReservationTests
s/for former in formerPorts where former != port \{/for former in formerPorts where former == port {/
