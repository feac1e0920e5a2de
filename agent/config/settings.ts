import * as z from 'zod';
import { LOG_LEVELS } from '../log.ts';
import { labelsSchema } from './labels.ts';
import { initialPort, portConflicts } from './ports.ts';
import { workloadsSchema } from './workloads.ts';

/**
 * Every setting of a node, its type, default and meaning: the only source. Settings are nouns; the cluster key
 * is no setting, so that no settings file is ever a secret.
 */

/** RFC 1123 label: what a host may be called. */
export const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** The paces that a cluster may have, fastest first; `agent/timers/steps.ts` says what each means. */
export const STEP_NAMES = ['fast', 'normal', 'slow', 'slowest'] as const;
export type StepName = (typeof STEP_NAMES)[number];

const label = z.string().regex(LABEL, 'expected lower-case letters, digits and inner hyphens, at most 63');
const port = z.int().min(1).max(65535);

const joinAddress = z.string().refine(isJoinAddress, 'expected host, host:port or [IPv6]:port');

export const settingsSchema = z
  .strictObject({
    name: label.optional().describe('name of the node; the host name when absent'),
    cluster: z
      .strictObject({ name: label.default('clusteros').describe('name of the cluster') })
      .prefault({}),
    discovery: z
      .strictObject({
        join: z.array(joinAddress).max(64).default([]).describe('machines to ask besides those on the LAN'),
        dns: z
          .string()
          .regex(
            /^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})$/,
            'expected a DNS name, such as _clusteros._tcp.lab.example',
          )
          .optional()
          .describe('name whose SRV records say where nodes are'),
        port: port
          .default(initialPort('discovery', 'port'))
          .describe('cards, tcp, and the broadcast beacon, udp'),
      })
      .prefault({}),
    gossip: z
      .strictObject({
        port: port.default(initialPort('gossip', 'port')).describe('Serf, tcp and udp'),
        rpc_port: port.default(initialPort('gossip', 'rpc_port')).describe("Serf's RPC, tcp on loopback"),
      })
      .prefault({}),
    consensus: z
      .strictObject({
        peer_port: port
          .default(initialPort('consensus', 'peer_port'))
          .describe('etcd members among themselves, tcp in the mesh'),
        client_port: port
          .default(initialPort('consensus', 'client_port'))
          .describe('etcd clients, tcp in the mesh'),
        expect: z
          .int()
          .min(1)
          .max(1000)
          .optional()
          .describe('nodes of which most must have met before a cluster begins'),
        bootstrap: z.boolean().default(false).describe('this node begins the cluster'),
        timers: z
          .enum(['auto', ...STEP_NAMES, 'lan'])
          .default('auto')
          .describe(
            'pace of etcd and of every limit: auto fits the machines; fast, normal (or its former name lan), slow, slowest',
          ),
        grace: z
          .int()
          .min(5)
          .max(86_400)
          .optional()
          .describe('seconds after which a dead voter is replaced; by the timers when absent, 60 at least'),
      })
      .prefault({}),
    mesh: z
      .strictObject({
        port: port.default(initialPort('mesh', 'port')).describe('WireGuard, udp'),
        range: z
          .string()
          .refine(
            isPrivateRange,
            'expected a private IPv4 range with its network address, such as 10.42.0.0/16',
          )
          .default('10.42.0.0/16')
          .describe('addresses of the mesh'),
        interface: z
          .string()
          .regex(/^[a-z][a-z0-9-]{0,14}$/, 'expected the name of an interface, such as wg0')
          .default('wg0')
          .describe('name of the WireGuard interface'),
        mtu: z
          .int()
          .min(1280)
          .max(8920)
          .default(1420)
          .describe('bytes of the largest packet; nodes lower it to what all paths carry'),
      })
      .prefault({}),
    firewall: z
      .strictObject({
        enabled: z.boolean().default(true).describe('close the LAN but for gossip, cards, WireGuard and SSH'),
        open: z
          .array(z.string().regex(/^(tcp|udp)\/[1-9]\d{0,4}$/, 'expected tcp/PORT or udp/PORT'))
          .max(64)
          .default([])
          .describe('more ports to open on the LAN'),
      })
      .prefault({}),
    labels: labelsSchema.default({}).describe('labels of this node, such as disk: ssd'),
    workloads: workloadsSchema.prefault({}),
    roles: z
      .strictObject({
        lease: z
          .int()
          .min(4)
          .max(60)
          .optional()
          .describe(
            'seconds that a role is held without a sign of life; never less than the timers need, which is also the default',
          ),
      })
      .prefault({}),
    metrics: z
      .strictObject({
        port: port.default(initialPort('metrics', 'port')).describe('Prometheus metrics, tcp in the mesh'),
      })
      .prefault({}),
    log: z.strictObject({ level: z.enum(LOG_LEVELS).default('info') }).prefault({}),
  })
  .superRefine((settings, context) => {
    for (const { path, text } of portConflicts(settings))
      context.addIssue({ code: 'custom', path: [...path], message: text });
  });

export type Settings = z.infer<typeof settingsSchema>;

/** What the settings say when nobody sets anything. */
export const DEFAULT_SETTINGS: Settings = settingsSchema.parse({});

/** A leaf of the schema. */
interface SettingField {
  /** `['mesh', 'port']` */
  readonly path: readonly string[];
  readonly schema: z.ZodType;
}

/** The leaves of the schema in order. */
export function settingFields(): SettingField[] {
  return leavesOf(settingsSchema, []);
}

function leavesOf(schema: z.ZodType, path: readonly string[]): SettingField[] {
  const inner = schema instanceof z.ZodPrefault ? (schema.unwrap() as unknown) : schema;
  if (!(inner instanceof z.ZodObject)) return [{ path, schema }];
  return Object.entries(inner.shape).flatMap(([name, leaf]) => leavesOf(leaf as z.ZodType, [...path, name]));
}

function isJoinAddress(text: string): boolean {
  const match =
    /^(?:\[([0-9a-fA-F:.]{2,45})\]|([A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}))|([0-9a-fA-F]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*))(?::(\d{1,5}))?$/.exec(
      text,
    );
  if (match === null) return false;
  // Four numbers that are no address would be asked of a name server for ever.
  if (/^[\d.]+$/.test(match[2] ?? '') && !z.ipv4().safeParse(match[2]).success) return false;
  const number = match[5];
  return number === undefined || (Number(number) >= 1 && Number(number) <= 65535);
}

function isPrivateRange(text: string): boolean {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(text);
  if (match === null) return false;
  const [a = 256, b = 256, c = 256, d = 256, bits = 33] = match.slice(1).map(Number);
  if ([a, b, c, d].some((byte) => byte > 255) || bits < 8 || bits > 24) return false;
  const network = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  if ((network & (0xffffffff >>> bits)) !== 0) return false;
  if (a === 10) return true;
  if (a === 172) return (b & 0xf0) === 16 && bits >= 12;
  if (a === 192) return b === 168 && bits >= 16;
  return a === 100 && (b & 0xc0) === 64 && bits >= 10;
}
