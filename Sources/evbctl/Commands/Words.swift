// The words of the interface as arguments.

public import ArgumentParser
internal import EVBModel

extension LinkKind: ExpressibleByArgument {}
extension LinkMode: ExpressibleByArgument {}
extension VSIState: ExpressibleByArgument {}
extension VSIReason: ExpressibleByArgument {}
extension ControlEvent.Kind: ExpressibleByArgument {}
extension Misbehaviour.Reason: ExpressibleByArgument {}
extension Misbehaviour.Silence: ExpressibleByArgument {}
