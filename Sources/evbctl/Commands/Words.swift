// The words of the interface as arguments.

public import ArgumentParser
public import EVBControl

extension LinkKind: ExpressibleByArgument {}
extension LinkMode: ExpressibleByArgument {}
extension VSIState: ExpressibleByArgument {}
extension Misbehaviour.Reason: ExpressibleByArgument {}
extension Misbehaviour.Silence: ExpressibleByArgument {}
