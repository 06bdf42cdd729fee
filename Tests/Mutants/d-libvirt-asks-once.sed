# libvirt: what it asks for is given up at its first failure, as libvirt never asks again.
# file: Sources/LibvirtServer/LibvirtEndpoint.swift
# pytest: Tests/Interop/test_libvirt_outage.py::test_HEAL_103_a_switch_that_refuses_once
s/typeVersion: profile.typeVersion, filter: filter\),/typeVersion: profile.typeVersion, filter: filter, persistence: .once),/
