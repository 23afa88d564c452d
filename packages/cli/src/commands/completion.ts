import { nearest } from '@netsim/manifest';
import { CliError, type CommandContext } from '../context.ts';
import { formats } from '../formats.ts';

/**
 * Scripts that ask `netsim __complete WORDS...` for candidates: lines of `candidate TAB description`, then `:DIRECTIVE`,
 * where 0 means that file names may follow and 4 that they may not. kubectl's plugin completion has the same form.
 */
const scripts = {
  bash: `# bash completion for netsim: source <(netsim completion bash)
_netsim() {
    local line="\${COMP_LINE:0:COMP_POINT}" words candidate directive=0 cur
    read -ra words <<< "$line"
    [[ "$line" == *' ' ]] && words+=('')
    cur="\${words[-1]}"
    # bash splits words at colons and equal signs: only what follows the last one is to be completed.
    local before="\${cur%"\${cur##*[:=]}"}"
    COMPREPLY=()
    while IFS= read -r candidate; do
        case "$candidate" in
            :*) directive="\${candidate#:}" ;;
            *)
                candidate="\${candidate%%$'\\t'*}"
                [[ "$candidate" == "$cur"* ]] && COMPREPLY+=("\${candidate#"$before"}")
                ;;
        esac
    done < <(netsim __complete "\${words[@]:1}" 2>/dev/null)
    if [[ \${#COMPREPLY[@]} -eq 0 && "$directive" -eq 0 ]]; then
        compopt -o default 2>/dev/null
    fi
}
complete -F _netsim netsim
`,
  zsh: `#compdef netsim
# zsh completion for netsim: source <(netsim completion zsh)
_netsim() {
    local -a candidates
    local line directive=0
    while IFS= read -r line; do
        case "$line" in
            :*) directive="\${line#:}" ;;
            *$'\\t'*) candidates+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}") ;;
            *) candidates+=("\${line//:/\\\\:}") ;;
        esac
    done < <(netsim __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)
    if (( \${#candidates} )); then
        _describe 'netsim' candidates
    elif (( directive == 0 )); then
        _files
    fi
}
compdef _netsim netsim
`,
  fish: `# fish completion for netsim: netsim completion fish | source
function __netsim_complete
    set -l words (commandline -opc)[2..-1] (commandline -ct)
    netsim __complete $words 2>/dev/null | string match --invert --regex '^:'
end
complete -c netsim -f -a '(__netsim_complete)'
complete -c netsim -s f -l filename -r -F
complete -c netsim -s k -l kustomize -r -F
`,
} as const;

export async function completion(context: CommandContext, shell: string): Promise<number> {
  context.output(formats.completion);
  if (!Object.hasOwn(scripts, shell)) {
    const hint = nearest(shell, Object.keys(scripts));
    throw new CliError(
      `unknown shell "${shell}", known: bash, zsh, fish${hint === undefined ? '' : `; did you mean "${hint}"?`}`,
    );
  }
  context.out(scripts[shell as keyof typeof scripts]);
  return 0;
}
