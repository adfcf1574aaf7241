# Fish completion for gpumodelctl. The tool itself says what may follow; model, device and lease names come
# from the daemon.

function __gpumodelctl_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    # Behind "--" of lease and yield another command begins.
    if set -l dashes (contains -i -- -- $words)
        set -l rest $words[(math $dashes + 1)..-1]
        complete -C (string join ' ' -- (string escape -- $rest) $current)
        return
    end
    set -l candidates ($words[1] complete -- $words[2..-1] $current 2>/dev/null)
    if set -q candidates[1]
        printf '%s\n' $candidates
    else
        __fish_complete_path $current # a PATH, a FILE
    end
end

complete -c gpumodelctl -f -a '(__gpumodelctl_complete)'
