import { z } from 'zod';
import { settingsSchema } from '../../agent/config/settings.ts';
import { BASE_NAMES } from '../../image-layers/layer.ts';
import { networkSchema } from '../../settings/network-config.ts';
import { NO_LOGIN_BY_CERTIFICATE, readPublicKey } from '../../settings/ssh-keys.ts';
import { TARGETS } from './plan.ts';
import { sizeInBytes } from './size.ts';

/**
 * The shape of `cluster.yaml`: the only source of its types, defaults, help texts and JSON Schema. Every check
 * that concerns one value is here, and says what was expected; checks between values are in `cross-checks.ts`.
 */

const url = z
  .string()
  .regex(/^https?:\/\/[^\s/?#@]+(\/[^\s?#]*)?$/, 'expected an http or https address, without a password')
  .transform((text) => text.replace(/\/+$/, ''));

const hostName = z
  .string()
  .regex(
    /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    'expected a host name: small letters, digits and dashes, 63 at most',
  );

const base = z.strictObject({
  name: z.enum(BASE_NAMES).optional().describe("Distribution and release. Default: the host's own family."),
  mirror: url
    .optional()
    .describe("Archive to take packages from. Default: the host's own, else the official one."),
  security_mirror: url.optional().describe('Archive of security updates. Default: beside the mirror.'),
  snapshot: z
    .string()
    .regex(/^\d{8}T\d{6}Z$/, 'expected a time such as 20260101T000000Z')
    .optional()
    .describe('Take the archive as it was at this time, from the snapshot service.'),
  keyring: z
    .string()
    .regex(/^\//, 'expected an absolute path')
    .optional()
    .describe("Keyring that signs the archive, for mirrors that sign anew. Default: the distribution's."),
});

const file = z
  .strictObject({
    path: z
      .string()
      .regex(
        /^(\/(?!\.{1,2}(\/|$))[\w@%+=:,.-]+)+$/,
        'expected an absolute path in the image, without . or ..',
      )
      .refine(
        (path) => !/^\/(proc|sys|dev|run|tmp)\//.test(path),
        'expected a path outside /proc /sys /dev /run /tmp',
      )
      .refine(
        (path) => !/^\/(s?bin|lib(32|64|x32)?)\//.test(path),
        'expected a path below /usr, to which /bin, /sbin and /lib are links',
      )
      .describe('Absolute path in the image.'),
    mode: z
      .string("expected four octal digits in quotes, such as '0644'")
      .regex(/^0[0-7]{3}$/, "expected four octal digits in quotes, such as '0644'")
      .default('0644')
      .describe("Permission bits, in quotes: '0644'."),
    text: z
      .string()
      .max(1 << 20, 'expected at most 1 MiB of text')
      .optional()
      .describe('The content.'),
    source: z
      .string()
      .min(1)
      .optional()
      .describe('A file to copy, relative to this definition. UTF-8, 1 MiB at most.'),
  })
  .describe('A file, owned by root. No secrets: an image is not a safe place for them.');

// The agent's own schema says what a node understands. What would be wrong in an image that every node boots,
// such as one node's name or the order to begin a cluster, stays out; the cluster's name is that of the definition.
const { name: _name, cluster: _cluster, ...agent } = settingsSchema.shape;
const node = z.strictObject({
  ...agent,
  consensus: agent.consensus.unwrap().omit({ bootstrap: true }).prefault({}),
});

const seed = z.strictObject({
  hostname: hostName.optional().describe("Host name. Default: made from the machine's identity."),
  user: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]{0,30}$/, 'expected a user name: small letters, digits, - and _')
    .refine((name) => name !== 'root', 'expected a user other than root')
    .default('clusteros')
    .describe('Account for administrators; it may use sudo, and logs in by key only.'),
  ssh_authorized_keys: z
    .array(
      z.string().superRefine((line, context) => {
        const reading = readPublicKey(line);
        if ('key' in reading) return;
        const message = 'mistake' in reading ? reading.mistake : NO_LOGIN_BY_CERTIFICATE;
        context.addIssue({ code: 'custom', message, params: { secret: true } });
      }),
    )
    .default([])
    .describe('Lines of authorized_keys: public keys that may log in.'),
  network: z
    .union([z.literal('dhcp'), networkSchema])
    .default('dhcp')
    .describe(
      'dhcp on every wired interface, or a network-config of version 2: what cloud-init carries out of it.',
    ),
  timezone: z
    .string()
    .regex(/^[A-Z][\w+-]*(\/[\w+-]+){0,2}$/, 'expected a time zone such as Europe/Berlin')
    .default('UTC')
    .describe('Time zone of the node.'),
  user_data: z
    .enum(['once', 'always'])
    .default('once')
    .describe(
      "When a node takes a seed's user-data: from its first seed alone, or from any later one too. With always, whoever can attach a volume and restart the node is root.",
    ),
});

const definition = {
  name: z
    .string()
    .regex(
      /^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$/,
      'expected a name: small letters, digits and dashes, 32 at most',
    )
    .default('clusteros')
    .describe("Name of the cluster; the first part of every artifact's name."),
  base: z
    .union([z.enum(BASE_NAMES), base])
    .prefault({})
    .transform((value) => (typeof value === 'string' ? { ...base.parse({}), name: value } : value))
    .describe('What the image is built on: a name such as debian-13, or details.'),
  arch: z.enum(['amd64']).default('amd64').describe('Processor architecture.'),
  targets: z
    .array(z.enum(TARGETS))
    .min(1, 'expected at least one target')
    .default(['qcow2'])
    .describe('What to build when the command line names no target.'),
  disk: z
    .strictObject({
      size: z
        .string('expected a size such as 8GiB')
        .refine(
          (text) => sizeInBytes(text) !== undefined,
          'expected whole MiB, GiB or TiB, such as 8GiB, from 2GiB to 16TiB',
        )
        .default('8GiB')
        .describe('Size of the virtual disk; the root file system grows to it on the first boot.'),
    })
    .prefault({}),
  packages: z
    .array(
      z
        .string()
        .regex(/^[a-z0-9][a-z0-9+.-]+$/, 'expected the name of a package: small letters, digits and + . -'),
    )
    .default([])
    .meta({ description: 'Further packages of the base.', examples: [['htop']] }),
  files: z
    .array(file)
    .default([])
    .meta({
      description: 'Further files in the image.',
      examples: [[{ path: '/etc/motd', mode: '0644', text: 'Welcome.\n' }]],
    }),
  node: node
    .prefault({})
    .describe('Settings of the agent on every node; they become /etc/clusteros/node.yaml.'),
  seed: seed.prefault({}).describe('What clusteros-build seed puts on the seed of a node.'),
};

export const definitionSchema = z
  .strictObject(definition)
  .meta({ title: 'Cluster-OS definition', description: 'Definition of a Cluster-OS image (cluster.yaml).' });

export type Settings = z.output<typeof definitionSchema>;

/** The JSON Schema for editors, as text: what `clusteros-build schema` prints. */
export function jsonSchemaText(): string {
  const schema = z.toJSONSchema(definitionSchema, { io: 'input', target: 'draft-7' });
  return `${JSON.stringify(schema, undefined, 2)}\n`;
}
