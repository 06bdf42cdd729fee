# libvirt: a machine that did not start leaves its VSI wanted.
# file: Sources/LibvirtServer/LibvirtEndpoint+Ends.swift
# pytest: Tests/Interop/test_libvirt_outage.py::test_HEAL_107_a_machine_that_does_not_start
s/try\? station\(port, of: vsi\)\?\.withdraw\(vsi, because: "libvirt, which has deleted its link", waiter: nil\)/_ = vsi/
