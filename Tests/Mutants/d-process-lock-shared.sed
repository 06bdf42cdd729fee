# The lock of a runtime directory: two may have it.
# file: Sources/LinuxSystem/LockFile.swift
# swift: ProcessTests/lockFile
s/LOCK_EX \| LOCK_NB/LOCK_SH | LOCK_NB/
