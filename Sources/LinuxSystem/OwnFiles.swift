extension Files.Status {
    /// Whether it is such a thing and evbd's own, or root's, and no other user can change it.
    package func isOurs(_ kind: Kind) -> Bool {
        self.kind == kind && (owner == Processes.ownUser || owner == 0) && mode & 0o022 == 0
    }
}
