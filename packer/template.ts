/** The Packer template: a base image boots with a seed, the layers are applied, and the root may be exported. Pure. */
import { attributes, block, goTemplateLiteral, type HclItem, hclText, Quoted, Reference } from './hcl.ts';
import { type PackerInputs, packerInputsSchema } from './inputs.ts';

/** Where the upload lies in the guest. */
const GUEST_FOLDER = '/tmp/clusteros';
/** The account that Packer uses; the last step removes it. */
export const GUEST_USER = 'clusteros-build';

/** @throws ZodError when the inputs are not what they should be */
export function packerTemplate(given: PackerInputs): string {
  const inputs = packerInputsSchema.parse(given);
  return hclText([packerBlock(inputs), ...variables(inputs), source(inputs), build(inputs)]);
}

function packerBlock({ plugins }: PackerInputs): HclItem {
  // Below 1.6.6 the QEMU builder has no cd_files.
  if (!plugins) return block('packer', [], attributes({ required_version: '>= 1.6.6' }));
  const qemu = { source: 'github.com/hashicorp/qemu', version: '>= 1.0.0' };
  return block(
    'packer',
    [],
    [...attributes({ required_version: '>= 1.7.0' }), block('required_plugins', [], attributes({ qemu }))],
  );
}

function variables({ base }: PackerInputs): HclItem[] {
  const text = new Reference('string');
  const variable = (name: string, description: string, type: Reference, initial: string | number | []) =>
    block('variable', [name], attributes({ type, description, default: initial }));
  return [
    variable('base_image', `The ${base.name} image to start from.`, text, goTemplateLiteral(base.image)),
    variable('base_checksum', 'How the base image is checked.', text, base.checksum),
    variable('accelerator', 'kvm, or tcg where there is no KVM.', text, 'kvm'),
    variable('cpus', 'Processors of the build machine.', new Reference('number'), 2),
    variable('memory', 'Memory of the build machine in MiB.', new Reference('number'), 2048),
    variable('output', 'The folder that gets the disk.', text, 'output'),
    variable(
      'seed',
      'Folder of user-data and meta-data; build.sh puts a key into a copy.',
      text,
      'cloud-init',
    ),
    variable('ssh_private_key_file', 'A throw-away key; build.sh makes one for each run.', text, ''),
    variable(
      'export_disk',
      'A further disk, such as ["4096M"], gets the finished root file system as a tar.',
      new Reference('list(string)'),
      [],
    ),
  ];
}

function source({ name, diskBytes }: PackerInputs): HclItem {
  const of = (variable: string) => new Reference(`var.${variable}`);
  return block(
    'source',
    ['qemu', 'clusteros'],
    [
      ...attributes({
        accelerator: of('accelerator'),
        cpus: of('cpus'),
        memory: of('memory'),
        headless: true,
        iso_url: of('base_image'),
        iso_checksum: of('base_checksum'),
        disk_image: true,
        disk_size: `${diskBytes / 2 ** 20}M`,
        disk_interface: 'virtio',
        disk_additional_size: of('export_disk'),
        format: 'qcow2',
        skip_compaction: true,
        net_device: 'virtio-net',
        output_directory: of('output'),
        vm_name: name,
        boot_wait: '1s',
        cd_label: 'CIDATA',
      }),
      ...attributes({
        cd_files: [new Quoted(of('seed'), '/user-data'), new Quoted(of('seed'), '/meta-data')],
        ssh_username: GUEST_USER,
        ssh_private_key_file: of('ssh_private_key_file'),
        ssh_timeout: '30m',
        shutdown_command: `sudo sh ${GUEST_FOLDER}/provision/leave.sh`,
        shutdown_timeout: '30m',
      }),
    ],
  );
}

function build({ layers }: PackerInputs): HclItem {
  const shell = (command: string, comment: string) =>
    block('provisioner', ['shell'], attributes({ inline: [command] }), comment);
  const script = (name: string) => `sudo sh ${GUEST_FOLDER}/provision/${name}`;
  return block(
    'build',
    [],
    [
      ...attributes({ sources: ['source.qemu.clusteros'] }),
      shell(`mkdir -p ${GUEST_FOLDER}`, 'What is uploaded, and where it goes.'),
      block('provisioner', ['file'], attributes({ source: 'upload/', destination: GUEST_FOLDER })),
      shell(script('packages.sh'), 'Packages of all layers in one transaction.'),
      ...layers.map(({ folder, summary }) =>
        shell(`${script('apply-layer.sh')} ${GUEST_FOLDER}/layers/${folder}`, `${folder}: ${summary}`),
      ),
      shell(
        script('finish.sh'),
        'Once for all: initramfs, boot loader, and away with what belongs to the build.',
      ),
    ],
  );
}
