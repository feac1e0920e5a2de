import { stringify } from 'yaml';
import { z } from 'zod';
import { definitionSchema } from './schema.ts';

/**
 * A definition to begin with: the name, and every other setting commented out with its meaning and default. Made
 * from the schema, so that it cannot tell another story.
 *
 * @param schemaPath where editors find the JSON Schema, as written into the first line
 */
export function definitionTemplate(name: string, schemaPath: string): string {
  const { properties = {} } = z.toJSONSchema(definitionSchema, { io: 'input' }) as JsonSchema;
  const sections = Object.entries(properties).map(([key, schema]) =>
    key === 'name'
      ? [`# ${schema.description ?? ''}`, `name: ${name}`]
      : section(key, schema).map((line) => `# ${line}`),
  );
  const head = [
    `# yaml-language-server: $schema=${schemaPath}`,
    '# Definition of a Cluster-OS image. What is commented out shows the default or an example.',
  ];
  return `${[head, ...sections].map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly anyOf?: readonly JsonSchema[];
  readonly description?: string;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
}

/** A setting with its meaning above it, as it would stand in the file. */
function section(key: string, schema: JsonSchema): string[] {
  const comment = schema.description === undefined ? [] : [`# ${schema.description}`];
  const properties = schema.properties ?? schema.anyOf?.find((branch) => branch.properties?.name)?.properties;
  if (properties !== undefined) {
    const inner = Object.entries(properties).flatMap(([name, part]) => section(name, part));
    return [...comment, `${key}:`, ...inner.map((line) => `  ${line}`)];
  }
  const value = schema.examples?.[0] ?? schema.default;
  return [
    ...comment,
    ...stringify({ [key]: value ?? null }, { nullStr: '' })
      .trimEnd()
      .split('\n')
      .map((line) => line.trimEnd()),
  ];
}
