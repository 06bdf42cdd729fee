package import EVBWire

extension CDCPUplink {
    /// What the peer last said by CDCP; nil while there is no peer.
    package var remote: CDCPTLV? {
        guard let peer else { return nil }
        return agent.neighbours.first(where: peer.isSame)?.lldpdu.cdcpTLVs.first
    }
}
