"""An independent CSI client and the machinery to run the plugin under it.

Nothing here shares code with the driver: gRPC is grpcio, the codec is Google's protobuf, and the stubs are made from
Protos/csi.proto each time. The conformance suite, the demo and run.sh stand on it.
"""
