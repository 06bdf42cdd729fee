internal import EVBModel
internal import EVBSettings
internal import SettingsFile

extension Daemon {
    /// The configuration in force, with the names of ports that the file has.
    func report(withDefaults: Bool) -> ConfigurationReport {
        var settings = configuration
        settings.ports = namedPorts
        return ConfigurationReport(
            file: loader.path, problem: reloadProblem,
            configuration: settings.document(withDefaults: withDefaults))
    }
}
