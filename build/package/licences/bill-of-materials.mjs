import { Enums, Models, SPDX, Serialize, Spec } from "@cyclonedx/cyclonedx-library";

/** @typedef {import("./bundled-packages.mjs").ShippedPart} ShippedPart */

const TYPES = { npm: Enums.ComponentType.Library, pypi: Enums.ComponentType.Library, program: Enums.ComponentType.Application, data: Enums.ComponentType.Data };

/**
 * The shipped parts as a CycloneDX document. Without a time and a serial number: the same parts give the same bytes.
 * @param {{ version: string, parts: readonly ShippedPart[] }} facts
 * @returns {string} JSON
 */
export function billOfMaterials({ version, parts }) {
  const bom = new Models.Bom();
  const product = new Models.Component(Enums.ComponentType.Application, "avatar-studio", { version, bomRef: `avatar-studio@${version}` });
  product.licenses.add(new Models.SpdxLicense("Apache-2.0"));
  bom.metadata.component = product;
  for (const part of parts) {
    const purl = purlOf(part);
    const component = new Models.Component(TYPES[part.kind], part.name, { version: part.version, bomRef: purl ?? `${part.kind}:${part.name}@${part.version}`, ...(purl === null ? {} : { purl }) });
    component.licenses.add(licenceOf(part.licence));
    if (part.note !== "") component.description = part.note;
    if (part.source.startsWith("https://")) component.externalReferences.add(new Models.ExternalReference(part.source, Enums.ExternalReferenceType.Distribution));
    bom.components.add(component);
    product.dependencies.add(component.bomRef);
  }
  return new Serialize.JsonSerializer(new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6)).serialize(bom, { sortLists: true, space: 2 });
}

/** @param {string} licence */
function licenceOf(licence) {
  if (SPDX.isSupportedSpdxId(licence)) return new Models.SpdxLicense(licence);
  return /\b(AND|OR|WITH)\b/.test(licence) ? new Models.LicenseExpression(licence) : new Models.NamedLicense(licence);
}

/**
 * @param {ShippedPart} part
 * @returns {string | null}
 */
function purlOf({ kind, name, version }) {
  if (kind === "npm") return `pkg:npm/${name.replace("@", "%40")}@${version}`;
  if (kind === "pypi") return `pkg:pypi/${name.toLowerCase().replaceAll("_", "-")}@${version}`;
  return null;
}
