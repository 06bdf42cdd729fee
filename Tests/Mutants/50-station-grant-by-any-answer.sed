# VDP, station: an answer with a refusal in it confirms the keep-alives of a PDU.
# file: Sources/EVBWire/VDPDU+Answer.swift
# swift: GrantTests
s/answer\[status\] == VDPStatus\.answer\.rawValue/answer[status] \& VDPStatus.answer.rawValue != 0/
