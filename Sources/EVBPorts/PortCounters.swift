package import EVBModel
package import EVBProtocol

extension PortStatistics {
    /// What ports of both roles count, beside VDP.
    package func counters(with transport: PortTransport) -> [Counter: UInt64] {
        [
            .lldpTxFrames: lldpSent, .lldpRxFrames: lldpReceived, .lldpRxDiscarded: lldpDiscarded,
            .lldpRxAgeouts: lldpAgeouts,
            .lldpRxTLVsDiscarded: lldpTLVsDiscarded, .lldpRxTLVsUnrecognized: lldpTLVsUnrecognized,
            .lldpRxOtherDestination: lldpRxOtherDestination, .evbTLVsDiscarded: evbTLVsDiscarded,
            .ecpTxFrameCount: ecpTxFrames, .ecpTxRetryCount: ecpTxRetries, .ecpTxFailures: ecpTxFailures,
            .ecpRxFrameCount: ecpRxFrames, .ecpRxDuplicates: ecpRxDuplicates, .ecpRxStrayAcks: ecpRxStrayAcks,
            .ecpRxDiscarded: ecpRxDiscarded, .ecpRxOtherSource: ecpRxOtherSource,
            .ecpRxOtherDestination: ecpRxOtherDestination, .socketSendFailures: transport.sendFailures,
            .socketKernelDrops: transport.kernelDrops, .socketStrays: transport.strays,
            .interfaceTaken: transport.isTaken ? 1 : 0,
        ]
    }
}
