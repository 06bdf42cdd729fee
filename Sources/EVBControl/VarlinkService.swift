/// The standard interface that every varlink service has.
public enum VarlinkService {
    /// Its name.
    public static let name = "org.varlink.service"
    /// Where a call goes to an interface that is not there; parameter `interface`.
    public static let interfaceNotFound = "org.varlink.service.InterfaceNotFound"
    /// Where an interface has no such method; parameter `method`.
    public static let methodNotFound = "org.varlink.service.MethodNotFound"
    /// Where a method cannot be had in this way; parameter `method`.
    public static let methodNotImplemented = "org.varlink.service.MethodNotImplemented"
    /// Where a parameter does not fit; parameter `parameter`.
    public static let invalidParameter = "org.varlink.service.InvalidParameter"
    /// Where a method that streams was called without `more`.
    public static let expectedMore = "org.varlink.service.ExpectedMore"

    /// Its description.
    public static let description = """
        # The interface that every varlink service has.
        interface org.varlink.service

        # Who serves here, and what.
        method GetInfo() -> (
          vendor: string,
          product: string,
          version: string,
          url: string,
          interfaces: []string
        )

        # The description of an interface, such as this text.
        method GetInterfaceDescription(interface: string) -> (description: string)

        # There is no such interface here.
        error InterfaceNotFound (interface: string)

        # The interface has no such method.
        error MethodNotFound (method: string)

        # The method cannot be had in this way.
        error MethodNotImplemented (method: string)

        # A parameter is missing, unknown, of the wrong type or out of range.
        error InvalidParameter (parameter: string)

        # The method streams and has to be called with "more".
        error ExpectedMore ()

        """
}
