internal import JSON

extension ControlInterface {
    /// What is said of captures.
    static let capture = """

        # A frame of LLDP or ECP. timeNanoseconds: since 1970 (UTC). octets: hexadecimal digits, from the destination address
        # on, with the VLAN tag that it bore. length: its octets on the wire. view: what it says and what became of it, in
        # sentences of at most 2 KiB in all. ignored: the port has left it; the last sentences of the view say why.
        type CapturedFrame (
          timeNanoseconds: int,
          direction: (received, sent),
          octets: string,
          length: int,
          ignored: bool,
          view: []string
        )

        # Where a capture is made. address: null while the interface is not there.
        type CaptureStart (interface: string, role: (station, bridge), address: ?string, version: string)

        # start comes once, first. notice: what a person who captures should know of the port. lost: frames that found no
        # room since the capture began, as the client reads more slowly than they come. dropped: frames that the kernel
        # dropped before evbd read them.
        type CaptureEvent (start: ?CaptureStart, frame: ?CapturedFrame, notice: ?string, lost: int, dropped: int)

        # The LLDP and ECP that a port sends and receives, what it ignores among it; needs "more". Not by a socket that is
        # for looking only. It ends with NoSuchPort when evbd gives the port up. At most 8 captures at a time: Busy.
        method Capture(port: string) -> (event: CaptureEvent)

        # The method shows frames as they are on the wire, and the socket is for looking only.
        error NotShown (method: string, message: string, hint: string)

        """
}

/// The parameters of Capture.
public struct CaptureRequest: Codable, Sendable, Equatable {
    /// The port.
    public var port: String

    /// Makes a request.
    public init(port: String) {
        self.port = port
    }

    enum CodingKeys: String, CodingKey, CaseIterable {
        case port
    }

    /// Reads a request.
    public init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        port = try decoder.container(keyedBy: CodingKeys.self).interface(.port)
    }
}
