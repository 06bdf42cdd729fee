internal import Glibc

/// How many descriptors this process may have (RLIMIT_NOFILE).
public enum DescriptorLimit {
    /// What a daemon with some hundred ports and as many clients may want.
    private static let wanted: rlim_t = 16_384

    /// Raises the limit as far as that is of use and every process may do it for itself, since login shells give 1,024. Where even
    /// that is not allowed the limit stays.
    public static func raise() {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0, limit.rlim_cur < min(wanted, limit.rlim_max) else { return }
        limit.rlim_cur = min(wanted, limit.rlim_max)
        _ = setrlimit(resource, &limit)
    }
}
