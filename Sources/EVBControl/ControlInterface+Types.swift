extension ControlInterface {
    /// What is said of servers of VSI types.
    static let typeServers = """

        # A server of VSI types. managerID is null where it speaks for all managers; types: how many there are of it, null while
        # it has given none. fetchedMilliseconds: since 1970. ageSeconds: since it gave or confirmed them.
        # problem: why nothing newer has come.
        type TypeServer (
          managerID: ?string,
          url: string,
          types: ?int,
          fetchedMilliseconds: ?int,
          ageSeconds: ?int,
          nextMilliseconds: ?int,
          problem: ?string,
          hint: ?string
        )

        # Has evbd-types ask all servers of VSI types at once, and answers when they have.
        method FetchTypes() -> (typeServers: []TypeServer)

        # No VSI types come from servers, or evbd-types does not answer; what is in force stays.
        error TypesNotFetched (message: string, hint: string)

        """
}
