/** The seed that lets Packer into its machine (NoCloud). Pure. */
import { yamlValue } from '../firstboot/yaml-text.ts';
import { GUEST_USER } from './template.ts';

/** build.sh, and our own engine, put the public half of the run's key in its place. No key is ever rendered. */
const KEY_PLACE = '@SSH_PUBLIC_KEY@';

export function userDataText(): string {
  return `#cloud-config
# Lets Packer in with the throw-away key of one run. The account is gone when the image is done.
users:
  - name: ${yamlValue(GUEST_USER)}
    shell: /bin/bash
    sudo: "ALL=(ALL) NOPASSWD:ALL"
    lock_passwd: true
    ssh_authorized_keys:
      - ${yamlValue(KEY_PLACE)}
ssh_pwauth: false
# The packages' own word stays.
locale: false
package_update: false
package_upgrade: false
`;
}

export function metaDataText(name: string): string {
  return `instance-id: ${yamlValue(`packer-${name}`)}\nlocal-hostname: clusteros-build\n`;
}
