/**
 * What no engine of the cluster needs, taken from its unit; see systemd.exec(5). Of the agent's folders it sees
 * nothing but what the unit binds back: not the seed and the cluster key in it, whenever that is mounted, nor the
 * socket that takes orders.
 */
export const SANDBOX = `UMask=0077
ProtectSystem=strict
ProtectHome=yes
TemporaryFileSystem=/var/lib/clusteros:ro /run/clusteros:ro
InaccessiblePaths=-/etc/clusteros
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
AmbientCapabilities=
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM`;
