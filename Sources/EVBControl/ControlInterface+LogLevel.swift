extension ControlInterface {
    /// What is said of the level of the log.
    static let logLevel = """

        # The least severe level that is logged: trace, debug, info, notice, warning, error, critical. isTemporary: it was set
        # while evbd runs; after a reload or a restart it is the configured one again.
        type LogLevel (level: string, configured: string, isTemporary: bool)

        # How much is logged.
        method GetLogLevel() -> (logLevel: LogLevel)

        # Sets how much is logged, until the next reload or restart; null goes back to what is configured. For root alone.
        method SetLogLevel(level: ?string) -> (logLevel: LogLevel)

        # The method is for root alone.
        error NotPermitted (method: string, message: string, hint: string)

        """
}
