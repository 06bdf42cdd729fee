extension ControlInterface {
    static let errors = """
        # In every error, message tells what failed and why, and hint what to do about it.

        # evbd runs no such port.
        error NoSuchPort (port: string, message: string, hint: string)

        # There is no such VSI.
        error NoSuchVSI (port: ?string, vsiID: string, message: string, hint: string)

        # An argument has the right type and cannot be read, such as a VSIID.
        error InvalidArgument (argument: string, message: string, hint: string)

        # The bridge refused. hard: asking again will not help. kept: the VSI is as it was. reason as in VSI.
        error Refused (
          port: string,
          vsiID: string,
          reason: string,
          hard: bool,
          kept: bool,
          message: string,
          hint: string
        )

        # The bridge did not answer in time; the request stands. stage, how far it came: not-sent, not-acknowledged (by ECP),
        # not-answered (by VDP).
        error NoAnswer (
          port: string,
          vsiID: string,
          waitedMilliseconds: int,
          stage: ?string,
          message: string,
          hint: string
        )

        # No EVB bridge is heard on the port.
        error NoBridge (port: string, vsiID: ?string, message: string, hint: string)

        # The bridge agreed, and the link could not be made.
        error LinkFailed (port: string, vsiID: string, link: string, cause: string, message: string, hint: string)

        # A bound of evbd is reached.
        error Busy (limit: string, message: string, hint: string)

        # The configuration file has mistakes, and the configuration in force stays.
        error InvalidConfiguration (mistakes: string, message: string, hint: string)

        # VSIs would end by the new configuration, and the one in force stays.
        error EndsVSIs (vsis: int, ports: string, message: string, hint: string)

        # The method changes something, and the socket is for looking only.
        error ReadOnly (method: string, message: string, hint: string)

        """
}
