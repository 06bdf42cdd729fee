extension Program {
    /// What a shell reads to complete the words of this program.
    func completionScript(for shell: String, _ option: ProgramOption) throws(UsageError) -> String {
        switch shell {
        case "bash": bashScript
        case "zsh": zshScript
        case "fish": fishScript
        default: throw UsageError("'\(shell)' is no shell that is known here; give bash, zsh or fish", about: option)
        }
    }

    private var shown: [ProgramOption] { options + Self.common }

    /// The name of a shell's function for this program.
    private var function: String { "_" + name.replacing("-", by: "_") }

    private var bashScript: String {
        let files = "compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY"
        let cases = shown.compactMap { option -> String? in
            let words =
                switch option.completion {
                case .none: option.valueName == nil ? nil : ":"
                case .file(nil): "\(files) < <(compgen -f -- \"$word\")"
                case .file(let ending?):
                    "\(files) < <(compgen -f -X '!*.\(ending)' -- \"$word\"; compgen -d -- \"$word\")"
                case .folder: "\(files) < <(compgen -d -- \"$word\")"
                case .words(let words):
                    "mapfile -t COMPREPLY < <(compgen -W '\(words.joined(separator: " "))' -- \"$word\")"
                } as String?
            return words.map { "    --\(option.name)) \($0) ;;" }
        }
        return """
            \(function)() {
                local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
                # bash takes the = of --option=value for a word.
                if [[ $word == = ]]; then word=; elif [[ $before == = ]]; then before=${COMP_WORDS[COMP_CWORD - 2]}; fi
                COMPREPLY=()
                case $before in
            \(cases.joined(separator: "\n"))
                *) mapfile -t COMPREPLY < <(compgen -W '\(shown.map { "--\($0.name)" }.joined(separator: " "))' -- "$word") ;;
                esac
            }
            complete -F \(function) \(name)
            """
    }

    private var zshScript: String {
        let specs = shown.map { option in
            // In a specification of _arguments brackets and colons mean something.
            var help = option.help.split(separator: "'").joined(separator: "'\\''")
            for mark: Character in ["[", "]", ":"] { help = help.replacing(mark, by: "\\\(mark)") }
            let value = option.valueName.map { name in
                switch option.completion {
                case .none: ":\(name): "
                case .file(let ending): ":\(name):_files\(ending.map { " -g \"*.\($0)\"" } ?? "")"
                case .folder: ":\(name):_files -/"
                case .words(let words): ":\(name):(\(words.joined(separator: " ")))"
                }
            }
            return "    '--\(option.name)\(value == nil ? "" : "=")[\(help)]\(value ?? "")'"
        }
        return """
            #compdef \(name)
            \(function)() {
              _arguments \\
            \(specs.joined(separator: " \\\n"))
            }
            \(function) "$@"
            """
    }

    private var fishScript: String {
        shown.map { option in
            let help = option.help.split(separator: "'").joined(separator: "\\'")
            let value =
                switch option.completion {
                case .none: option.valueName == nil ? "" : " -x"
                case .file: " -rF"
                case .folder: " -x -a '(__fish_complete_directories)'"
                case .words(let words): " -x -a '\(words.joined(separator: " "))'"
                }
            return "complete -c \(name)\(value.hasPrefix(" -rF") ? "" : " -f") -l \(option.name)\(value) -d '\(help)'"
        }.joined(separator: "\n")
    }
}

extension String {
    /// The text with another in the place of each mark.
    fileprivate func replacing(_ mark: Character, by text: String) -> String {
        split(separator: mark, omittingEmptySubsequences: false).joined(separator: text)
    }
}
