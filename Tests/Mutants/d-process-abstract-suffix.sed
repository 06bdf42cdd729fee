# Abstract sockets: a name that ends alike is the name.
# file: Sources/Netlink/UnixSockets.swift
# swift: abstractNames
s/if attributes\.name == wanted/if attributes.name?.suffix(wanted.count) == wanted[...]/
