/** What is accepted where only metadata is of interest. A server that cannot leave out the rest sends it all. */
export const metadataTypes = {
  list: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json',
  /** Of a single object, and of each event of a watch. */
  object: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json',
};
