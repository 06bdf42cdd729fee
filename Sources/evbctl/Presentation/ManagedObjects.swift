// The managed objects of the EVB MIB under their names there, for people who compare them with what a network management system
// or a switch shows.

internal import EVBModel

/// One object: its name without `ieee8021BridgeEvb`, and its value.
struct ManagedObject: Equatable {
    let name: String
    let value: String

    init(_ name: String, _ value: some CustomStringConvertible) {
        self.name = name
        self.value = value.description
    }

    /// An object that may have no value just now.
    init(_ name: String, optional value: (some CustomStringConvertible)?) {
        self.name = name
        self.value = value?.description ?? "-"
    }
}

extension PortDetails {
    /// All objects that the port has, group by group.
    var managedObjects: [ManagedObject] {
        sys.managedObjects + (urp?.managedObjects ?? []) + (sbp?.managedObjects ?? []) + ecp.managedObjects
            + xdot1.managedObjects
    }
}

extension VSIDetails {
    /// The objects of the VSI that its status does not tell under other names.
    var managedObjects: [ManagedObject] { vsidb.managedObjects }
}

extension SysObjects {
    fileprivate var managedObjects: [ManagedObject] {
        [
            ManagedObject("SysType", type.rawValue), ManagedObject("SysNumExternalPorts", numExternalPorts),
            ManagedObject("SysEvbLldpTxEnable", evbLldpTxEnable), ManagedObject("SysEvbLldpManual", evbLldpManual),
            ManagedObject("SysEvbLldpGidCapable", evbLldpGidCapable),
            ManagedObject("SysEcpDfltAckTimerExp", ecpDfltAckTimerExp),
            ManagedObject("SysEcpMaxRetries", ecpMaxRetries),
            ManagedObject("SysVdpDfltRsrcWaitDelayExp", vdpDfltRsrcWaitDelayExp),
            ManagedObject("SysVdpDfltReinitKeepAliveExp", vdpDfltReinitKeepAliveExp),
        ]
    }
}

extension URPObjects {
    fileprivate var managedObjects: [ManagedObject] {
        [
            ManagedObject("URPIfIndex", ifIndex), ManagedObject("URPBindToISSPort", bindToISSPort),
            ManagedObject("URPLldpManual", lldpManual),
            ManagedObject("URPVdpOperRsrcWaitDelayExp", optional: vdpOperRsrcWaitDelayExp),
            ManagedObject("URPVdpOperRespWaitDelay", "\(vdpOperRespWaitDelay) us"),
            ManagedObject("URPVdpOperReinitKeepAliveExp", optional: vdpOperReinitKeepAliveExp),
        ]
    }
}

extension SBPObjects {
    fileprivate var managedObjects: [ManagedObject] {
        [
            ManagedObject("SbpLldpManual", lldpManual),
            ManagedObject("SbpVdpOperRsrcWaitDelayExp", optional: vdpOperRsrcWaitDelayExp),
            ManagedObject("SbpVdpOperReinitKeepAliveExp", optional: vdpOperReinitKeepAliveExp),
            ManagedObject("SbpVdpOperToutKeepAlive", "\(vdpOperToutKeepAlive) us"),
        ]
    }
}

extension ECPObjects {
    fileprivate var managedObjects: [ManagedObject] {
        [
            ManagedObject("EcpOperAckTimerInitExp", optional: operAckTimerInitExp),
            ManagedObject("EcpOperMaxRetries", operMaxRetries), ManagedObject("EcpTxFrameCount", txFrameCount),
            ManagedObject("EcpTxRetryCount", txRetryCount), ManagedObject("EcpTxFailures", txFailures),
            ManagedObject("EcpRxFrameCount", rxFrameCount),
        ]
    }
}

extension Xdot1Objects {
    fileprivate var managedObjects: [ManagedObject] {
        [
            ManagedObject("lldpXdot1EvbConfigEvbTxEnable", evbConfigEvbTxEnable),
            ManagedObject("lldpV2Xdot1LocEvbTlvString", optional: locEvbTlvString),
            ManagedObject("lldpV2Xdot1RemEvbTlvString", optional: remEvbTlvString),
        ]
    }
}

extension VSIDBObjects {
    fileprivate var managedObjects: [ManagedObject] {
        [
            ManagedObject("VSITimeSinceCreate", Units.span(hundredths: timeSinceCreate)),
            ManagedObject("VsiVdpOperCmd", vdpOperCmd.rawValue), ManagedObject("VsiOperRevert", operRevert),
            ManagedObject("VsiOperHard", operHard),
            ManagedObject(
                "VsiOperReason",
                operReason.map { $0.rawValue + (operReasonCode.map { " (\($0) on the wire)" } ?? "") } ?? "-"),
            ManagedObject("VSIMgrID16", mgrID16), ManagedObject("VSIFilterFormat", filterFormat.rawValue),
            ManagedObject("VSINumMACs", numMACs), ManagedObject("VDPMachineState", vdpMachineState.rawValue),
            ManagedObject("VDPCommandsSucceeded", vdpCommandsSucceeded),
            ManagedObject("VDPCommandsFailed", vdpCommandsFailed),
            ManagedObject("VDPCommandReverts", vdpCommandReverts),
            ManagedObject("VDPCounterDiscontinuity", Units.span(hundredths: vdpCounterDiscontinuity)),
        ]
    }
}

extension Presenter {
    /// Objects, one a line.
    func objects(_ objects: [ManagedObject]) -> String {
        var table = Table(heading: ["MIB OBJECT", "VALUE"])
        table.rows = objects.map { [Cell($0.name), Cell($0.value)] }
        return table.rendered(colour: colour)
    }
}
