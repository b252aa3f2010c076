"""The scripts that make a shell complete the command. Each asks the command itself for the words that fit.

webhook.commands.completion.answer describes the answers.
"""

from typing import Final

_BASH: Final = r"""# bash completion for pod-identity-webhook. To load it: . <(pod-identity-webhook completion bash)
_pod_identity_webhook() {
    local word line glued='' prefix='' directive=''
    local -a words=()
    # Bash takes `--flag=value` for three words.
    for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
        if [[ $word == '=' && ${#words[@]} -gt 0 ]]; then
            words[${#words[@]}-1]+='='
            glued=1
        elif [[ $glued ]]; then
            words[${#words[@]}-1]+=$word
            glued=''
        else
            words+=("$word")
        fi
    done
    word=${words[${#words[@]}-1]}
    [[ $word != --*=* ]] || prefix=${word%%=*}=
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ $line == :* ]]; then
            directive=$line
        else
            line=${line%%$'\t'*}
            COMPREPLY+=("${line#"$prefix"}")
        fi
    done < <("${COMP_WORDS[0]}" __complete "${words[@]}" 2> /dev/null)
    [[ $directive != ':0' ]] || compopt -o default
}
complete -F _pod_identity_webhook pod-identity-webhook
"""

_ZSH: Final = r"""#compdef pod-identity-webhook
# zsh completion for pod-identity-webhook. To load it: source <(pod-identity-webhook completion zsh)
_pod_identity_webhook() {
    local line directive
    local -a found
    while IFS= read -r line; do
        if [[ $line == :* ]]; then
            directive=$line
        else
            # A colon separates the word from its explanation.
            line=${line//:/\\:}
            found+=("${line/$'\t'/:}")
        fi
    done < <("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2> /dev/null)
    (( ${#found} )) && _describe -V 'pod-identity-webhook' found
    [[ $directive != ':0' ]] || _files
}
if [[ ${funcstack[1]} == _pod_identity_webhook ]]; then
    _pod_identity_webhook "$@"
else
    compdef _pod_identity_webhook pod-identity-webhook
fi
"""

_FISH: Final = r"""# fish completion for pod-identity-webhook. To load it: pod-identity-webhook completion fish | source
function __pod_identity_webhook
    set --local words (commandline --tokenize --cut-at-cursor --current-process)
    set --local last (commandline --current-token --cut-at-cursor)
    for line in ($words[1] __complete $words[2..-1] "$last" 2>/dev/null)
        switch $line
            case ':0'
                __fish_complete_path "$last"
            case ':*'
            case '*'
                echo -- $line
        end
    end
end
complete --command pod-identity-webhook --no-files --arguments '(__pod_identity_webhook)'
"""

SCRIPTS: Final = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
