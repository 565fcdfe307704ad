profcore flame --tpye cpu x.folded
