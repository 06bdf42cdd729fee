# libvirt: a loss that libvirtd has no room for is dropped.
# file: Sources/LibvirtServer/LibvirtEndpoint+Ends.swift
# pytest: Tests/Interop/test_libvirt_ends.py::test_HEAL_203_a_loss_that_libvirtd_has_no_room_for
s/served\.ledger\.setDelivered\(vsiID, false\)/served.ledger.setDelivered(vsiID, true)/
