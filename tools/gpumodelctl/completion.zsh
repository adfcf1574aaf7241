#compdef gpumodelctl
# Zsh completion for gpumodelctl. The tool itself says what may follow; model, device and lease names come
# from the daemon.

_gpumodelctl() {
  local -a candidates
  local -i i
  # Behind "--" of lease and yield another command begins.
  for ((i = 2; i < CURRENT; ++i)); do
    if [[ $words[i] == -- ]]; then
      shift $i words
      ((CURRENT -= i))
      _normal
      return
    fi
  done
  candidates=(${(f)"$("${(Q)words[1]}" complete -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)"})
  if (($#candidates)); then
    compadd -- $candidates
  else
    _files # a PATH, a FILE
  fi
}

# Loaded as a function of compinit's, or by `source`.
if [[ $funcstack[1] == _gpumodelctl ]]; then
  _gpumodelctl "$@"
else
  compdef _gpumodelctl gpumodelctl
fi
