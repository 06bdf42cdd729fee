# The lock of a runtime directory: two may have it.
# file: Sources/LinuxSystem/LockFile.swift
# swift: SEC-93
s/LOCK_EX \| LOCK_NB/LOCK_SH | LOCK_NB/
