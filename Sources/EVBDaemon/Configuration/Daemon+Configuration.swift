internal import EVBModel
internal import EVBSettings
internal import SettingsFile

extension Daemon {
    /// Differences that are told.
    private static let differencesMax = 256

    /// Tells the configuration in force, with the names of ports that the file has, beside what the file says now.
    func report(withDefaults: Bool, then completion: @escaping (ConfigurationReport) -> Void) {
        loader.load(isLook: true) { [weak self] reading in
            guard let self else { return }
            var settings = configuration
            settings.ports = namedPorts
            var report = ConfigurationReport(
                file: loader.path, problem: reloadProblem,
                configuration: settings.document(withDefaults: withDefaults))
            switch reading {
            case .failure(let mistakes): report.mistakes = "\(mistakes)"
            case .success(let file):
                report.differences = Array(Self.differences(settings, file).prefix(Self.differencesMax))
            }
            completion(report)
        }
    }

    private static func differences(_ inForce: DaemonSettings, _ file: DaemonSettings) -> [ConfigurationDifference] {
        let sources = Set(inForce.vsiTypes.keys).intersection(file.vsiTypes.keys)
        let differing = sources.filter { inForce.vsiTypes[$0] != file.vsiTypes[$0] }.map(\.description).sorted()
        let types = differing.map {
            ConfigurationDifference(key: $0, inForce: "VSI types as they were read", file: "other VSI types")
        }
        return ConfigurationDifference.between(
            inForce.document(withDefaults: true), and: file.document(withDefaults: true)) + types
    }
}
