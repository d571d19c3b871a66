package fastcgi

const canWaitForServers = true
