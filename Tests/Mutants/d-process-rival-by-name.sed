# The start: any process that has bound the name of lldpad's socket is taken for lldpad, whatever its user.
# file: Sources/EVBDaemon/Process/RivalDaemon.swift
# pytest: Tests/Interop/test_alone.py::test_SEC_95_names_that_any_user_may_bind_stop_no_evbd
s/guard try UnixSockets\.owners\(ofAbstract: lldpadSocket\)\.contains\(0\) else/guard try !UnixSockets.owners(ofAbstract: lldpadSocket).isEmpty else/
