# Bash completion for gpumodelctl. The tool itself says what may follow; model, device and lease names come
# from the daemon.

_gpumodelctl() {
  local current=${COMP_WORDS[COMP_CWORD]} i
  COMPREPLY=()
  # Behind "--" of lease and yield another command begins.
  for ((i = 1; i < COMP_CWORD; ++i)); do
    if [[ ${COMP_WORDS[i]} == -- ]]; then
      if declare -F _command_offset >/dev/null; then
        _command_offset $((i + 1))
      elif ((COMP_CWORD == i + 1)); then
        mapfile -t COMPREPLY < <(compgen -c -- "$current")
      fi
      return
    fi
  done
  local candidates
  candidates=$("${COMP_WORDS[0]}" complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null) || return
  # Names may hold a colon, at which bash splits words.
  mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$current")
  if declare -F __ltrim_colon_completions >/dev/null; then __ltrim_colon_completions "$current"; fi
}

# -o default: where nothing is offered (a PATH, a FILE) the shell completes file names.
complete -o default -F _gpumodelctl gpumodelctl
