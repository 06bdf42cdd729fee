# The control socket: any name of a link or port is taken.
# file: Sources/EVBControl/InterfaceName+Refusal.swift
# swift: namesAreCheckedAtTheSocket
s/guard let problem = isLink \? problem\(withLink: name\) : problem\(withPort: name\) else/guard let problem = name.utf8.count > 255 ? "is long" : nil else/
