# read_site: slurm/site.env, read as a login shell reads its files; sourced, from the project's folder. A last line that is false, or a variable
# of a module that was never set, is no error there, and must not end the scripts, which are stricter.
read_site() {
    if [ ! -f slurm/site.env ]; then return 0; fi
    local flags=$-
    set +eu
    source slurm/site.env
    case $flags in *e*) set -e ;; esac
    case $flags in *u*) set -u ;; esac
}
