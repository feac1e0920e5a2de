import Handlebars from 'handlebars';
import { files } from '../build/host.ts';
import { yamlValue } from './yaml-text.ts';

/** The values of each template. A template that asks for another name throws (`strict`). */
interface TemplateValues {
  'user-data.hbs': {
    readonly hostname: string | undefined;
    readonly timezone: string;
    readonly user: string;
    readonly authorizedKeys: readonly string[];
  };
  'meta-data.hbs': { readonly instanceId: string; readonly hostname: string | undefined };
  'network-config.hbs': { readonly network: Readonly<Record<string, unknown>> | undefined };
  'node.yaml.hbs': {
    readonly clusterName: string;
    readonly expect: number | undefined;
    readonly join: readonly string[];
  };
  'README.txt.hbs': { readonly clusterName: string };
  'sample-README.txt.hbs': { readonly clusterName: string };
  'sample-install.yaml.hbs': { readonly clusterName: string };
  'sample-node.yaml.hbs': { readonly clusterName: string };
  'sample-cluster.key.hbs': { readonly clusterName: string };
  'sample-meta-data.hbs': { readonly clusterName: string };
  'sample-user-data.hbs': { readonly clusterName: string };
}

type TemplateName = keyof TemplateValues;

const NAMES: readonly TemplateName[] = [
  'user-data.hbs',
  'meta-data.hbs',
  'network-config.hbs',
  'node.yaml.hbs',
  'README.txt.hbs',
  'sample-README.txt.hbs',
  'sample-install.yaml.hbs',
  'sample-node.yaml.hbs',
  'sample-cluster.key.hbs',
  'sample-meta-data.hbs',
  'sample-user-data.hbs',
];

const handlebars = Handlebars.create();
handlebars.registerHelper('yaml', yamlValue);

const templates = new Map<TemplateName, (values: unknown) => string>();
for (const name of NAMES) {
  const text = await files.readText(new URL(`templates/${name}`, import.meta.url).pathname);
  templates.set(name, handlebars.compile(text, { noEscape: true, strict: true }));
}

/** Fill in a template. Values reach YAML only through the helper `yaml`, which makes them one-line values. */
export function render<N extends TemplateName>(name: N, values: TemplateValues[N]): string {
  const template = templates.get(name);
  if (template === undefined) throw new Error(`there is no template ${name}`);
  return template(values);
}
