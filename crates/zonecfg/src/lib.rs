//! Zone configuration: model, command language, XML, index; the zonecfg program.
