/**
 * What no engine of the cluster needs, taken from its unit; see systemd.exec(5). Of the agent's folders it sees
 * nothing but what the unit binds back: not the seed and the cluster key in it, whenever that is mounted, nor the
 * socket that takes orders. Nor does it reach systemd, by D-Bus or by its own sockets: whoever may ask it for a unit has
 * all that a unit can have. Not /run/systemd as a whole: systemd 257 builds the unit's own root below it (226/NAMESPACE).
 */
export const SANDBOX = `UMask=0077
ProtectSystem=strict
ProtectHome=yes
TemporaryFileSystem=/var/lib/clusteros:ro /run/clusteros:ro
InaccessiblePaths=-/etc/clusteros -/run/dbus -/run/systemd/private -/run/systemd/notify -/run/systemd/userdb
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
