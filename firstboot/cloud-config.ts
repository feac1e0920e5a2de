/** What cloud-init may read: a copy of the seed's files, or nothing (admit-user-data in image-layers/first-boot.ts). */
export const CLOUD_SEED = '/run/clusteros/cloud';

/**
 * How the image has cloud-init behave. With a seed it does a handful of things, without one it does not run.
 *
 * - **One place for the seed.** `clusteros-seed.service` mounts the volume labelled CIDATA read-only at
 *   /run/clusteros/seed, before cloud-init, and copies what cloud-init may read of it. NoCloud finds the copy as its
 *   seed folder through the link below, and is told (`fs_label: null`) not to search and mount volumes itself: with two such volumes, cloud-init and the
 *   agent would choose differently. `seedfrom:` would do, but 22.4 (Debian 12) reads no network-config there.
 * - **`datasource_list: [NoCloud]`, without `None`.** A seed without user-data is then a failed unit that says
 *   so. With `None` cloud-init would take the machine for a new instance and apply its defaults.
 * - **Few modules.** Only these run: a module that is not listed is not even imported, and each import costs
 *   tenths of a second under emulation. They are what firstboot/templates/user-data.hbs uses, and write_files
 *   and runcmd for what administrators add by hand.
 * - **Names.** `preserve_hostname: true`: without a `hostname:` the node names itself. A seed with a name says
 *   `preserve_hostname: false` too.
 *
 * - **Not for the usual seed.** What `clusteros-build seed` writes is applied by a script of the image before
 *   cloud-init would start, in a tenth of the time; any other line of user-data, and cloud-init applies all of it.
 *
 * Holds for cloud-init 22.4 (Debian 12) to 25.x.
 */
export const CLOUD_CONFIG = `# Cluster-OS: cloud-init reads the NoCloud seed at ${CLOUD_SEED}, and does nothing without it.
datasource_list: [NoCloud]
datasource:
  NoCloud:
    fs_label: null
users: []
disable_root: true
ssh_pwauth: false
preserve_hostname: true
manage_etc_hosts: false
# SSH host keys are made by clusteros-ssh-host-key.service.
ssh_deletekeys: false
ssh_publish_hostkeys:
  enabled: false
# systemd-repart and systemd-growfs do this, without cloud-init.
growpart:
  mode: "off"
resize_rootfs: false
apt:
  preserve_sources_list: true
package_update: false
package_upgrade: false
system_info:
  network:
    renderers: [networkd]
    activators: [networkd]
cloud_init_modules:
  - write_files
  - set_hostname
  - users_groups
cloud_config_modules:
  - timezone
  - runcmd
cloud_final_modules:
  - scripts_user
`;

/** When it exists, a seed's user-data is taken on any boot and not only on the first: `seed.user_data: always`. */
export const FOLLOW_USER_DATA = '/etc/clusteros/follow-user-data';

/** Where NoCloud looks by itself, and what it may read. */
export const CLOUD_SEED_LINK = { path: '/var/lib/cloud/seed/nocloud', target: CLOUD_SEED } as const;

/** Exists when a script of ours has applied the user-data of the seed: image-layers/user-data.ts. */
export const USER_DATA_APPLIED = '/run/clusteros/user-data-applied';

/** cloud-init may start when all of these exist; with only some, its NoCloud would refuse the seed. */
export const CLOUD_CONDITIONS = [`${CLOUD_SEED}/meta-data`, `${CLOUD_SEED}/user-data`] as const;
