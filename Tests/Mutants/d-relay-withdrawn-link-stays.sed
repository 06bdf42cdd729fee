# Edge relay: a VSI of the run before that is given up before the bridge has spoken leaves its link up.
# file: Sources/EVBStation/StationPortController.swift
# pytest: Tests/Interop/test_relay.py::test_SEC_1109_a_vsi_that_is_given_up_after_a_restart_takes_its_link_along
s/^        cutFormer\(vsiID\)$//
