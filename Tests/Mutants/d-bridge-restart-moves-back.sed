# Bridge: a restart gives a VSI back to the port that had lost it.
# file: Sources/EVBBridge/Admission/VSIPlaces.swift
# swift: ReservationTests
s/for former in formerPorts where former != port \{/for former in formerPorts where former == port {/
