/** A plan's layers as files that apply-layer.sh reads: lists, and a tree of the files themselves. Pure. */
import { isDeepStrictEqual } from 'node:util';
import type { Layer } from '../../image-layers/layer.ts';
import type { Plan } from '../definition/plan.ts';
import { OperatorError } from '../errors.ts';

export interface RenderedFile {
  /** Relative to the rendered folder. */
  readonly path: string;
  readonly mode: number;
  readonly text: string;
}

/** A layer of the plan, or what the definition adds to them, by the name of its folder. */
interface RenderedLayer {
  readonly folder: string;
  readonly summary: string;
  readonly files: readonly RenderedFile[];
}

type Content = Pick<Layer, 'name' | 'summary' | 'files' | 'links' | 'units' | 'removes'>;

export function renderLayers(plan: Plan): RenderedLayer[] {
  return [...plan.layers, ownLayer(plan)].map((layer, index) => {
    const folder = `${String((index + 1) * 10).padStart(2, '0')}-${layer.name}`;
    // A later layer has the last word on a unit; what it overrules must not be done first.
    const units = layer.units.filter((unit) => plan.units.some((kept) => isDeepStrictEqual(kept, unit)));
    const content = { ...layer, units };
    return { folder, summary: layer.summary, files: layerFiles(`upload/layers/${folder}`, content) };
  });
}

/** The files of the plan that are not a layer's, or not as the layer has them. */
function ownLayer(plan: Plan): Content {
  const ofLayers = new Map(plan.layers.flatMap((layer) => layer.files).map((file) => [file.path, file]));
  const differs = (file: Layer['files'][number]) => {
    const layers = ofLayers.get(file.path);
    return layers?.text !== file.text || layers.mode !== file.mode;
  };
  return {
    name: 'definition',
    summary: 'the settings of the node, and the files of the definition',
    files: plan.files.filter(differs),
    links: [],
    units: [],
    removes: [],
  };
}

function layerFiles(folder: string, layer: Content): RenderedFile[] {
  const list = (name: string, rows: readonly (readonly string[])[]): RenderedFile => ({
    path: `${folder}/${name}`,
    mode: 0o644,
    text: rows.map((cells) => `${cells.map((cell) => checkedCell(cell)).join('\t')}\n`).join(''),
  });
  return [
    list(
      'files',
      layer.files.map(({ path, mode }) => [mode.toString(8).padStart(4, '0'), path]),
    ),
    list(
      'links',
      layer.links.map(({ path, target }) => [path, target]),
    ),
    list(
      'units',
      layer.units.map((unit) => [unit.state, unit.unit, unit.state === 'masked' ? '-' : unit.wantedBy]),
    ),
    list(
      'removes',
      layer.removes.map((path) => [path]),
    ),
    ...layer.files.map(({ path, text }) => ({
      path: `${folder}/tree${checkedPath(path)}`,
      mode: 0o644,
      text,
    })),
  ];
}

/** A cell ends at a tab or at the end of its line; nothing can stand for them in it. */
function checkedCell(cell: string): string {
  if (cell !== '' && !/[\t\n\0]/.test(cell)) return cell;
  throw new OperatorError({
    code: 'render.name',
    message: `${JSON.stringify(cell)} cannot be written into a list: it is empty, or has a tab or a line end`,
    fix: 'choose another name',
  });
}

/** The definition's schema refuses these too; here they would leave the rendered folder. */
function checkedPath(path: string): string {
  if (
    path.startsWith('/') &&
    !path
      .split('/')
      .slice(1)
      .some((part) => ['', '.', '..'].includes(part))
  )
    return path;
  throw new OperatorError({
    code: 'render.name',
    message: `${JSON.stringify(path)} is no plain absolute path`,
    fix: 'give the path without . and .. and without double slashes',
  });
}
