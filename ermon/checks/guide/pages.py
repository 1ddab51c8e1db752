"""The pages of Microsoft's documentation that the checks' rules come from."""

ROUTING = "Microsoft: ExpressRoute routing requirements (learn.microsoft.com/azure/expressroute/expressroute-routing)"
PREREQUISITES = (
    "Microsoft: ExpressRoute prerequisites & checklist"
    " (learn.microsoft.com/azure/expressroute/expressroute-prerequisites)"
)
NAT = "Microsoft: ExpressRoute NAT requirements (learn.microsoft.com/azure/expressroute/expressroute-nat)"
ASYMMETRY = (
    "Microsoft: Asymmetric routing with multiple network paths"
    " (learn.microsoft.com/azure/expressroute/expressroute-asymmetric-routing)"
)
OPTIMIZE = "Microsoft: Optimize ExpressRoute routing (learn.microsoft.com/azure/expressroute/expressroute-optimize-routing)"
FAQ = "Microsoft: ExpressRoute FAQ (learn.microsoft.com/azure/expressroute/expressroute-faqs)"
BFD = "Microsoft: Configure BFD over ExpressRoute (learn.microsoft.com/azure/expressroute/expressroute-bfd)"
MAINTENANCE = (
    "Microsoft: Planned maintenance guidance for ExpressRoute"
    " (learn.microsoft.com/azure/expressroute/planned-maintenance)"
)
HIGH_AVAILABILITY = (
    "Microsoft: Designing for high availability with ExpressRoute"
    " (learn.microsoft.com/azure/expressroute/designing-for-high-availability-with-expressroute)"
)
RESET = (
    "Microsoft: Reset ExpressRoute circuit peerings"
    " (learn.microsoft.com/azure/expressroute/expressroute-howto-reset-peering)"
)
ROUTE_FILTERS = (
    "Microsoft: Configure route filters for Microsoft peering"
    " (learn.microsoft.com/azure/expressroute/how-to-routefilter-portal)"
)
CREATE_PEERING = (
    "Microsoft: Create and modify peering for an ExpressRoute circuit"
    " (learn.microsoft.com/azure/expressroute/expressroute-howto-routing-portal-resource-manager)"
)
METRICS = (
    "Microsoft: Monitoring data reference for Azure ExpressRoute"
    " (learn.microsoft.com/azure/expressroute/monitor-expressroute-reference)"
)
M365_IMPLEMENTING = (
    "Microsoft: Implementing ExpressRoute for Microsoft 365"
    " (learn.microsoft.com/microsoft-365/enterprise/implementing-expressroute)"
)
M365_ROUTING = (
    "Microsoft: Routing with ExpressRoute for Microsoft 365"
    " (learn.microsoft.com/microsoft-365/enterprise/routing-with-expressroute)"
)
M365_COMMUNITIES = (
    "Microsoft: Using BGP communities in ExpressRoute for Office 365 scenarios"
    " (learn.microsoft.com/microsoft-365/enterprise/bgp-communities-in-expressroute)"
)
M365_WEB_SERVICE = (
    "Microsoft: Microsoft 365 IP Address and URL web service"
    " (learn.microsoft.com/microsoft-365/enterprise/microsoft-365-ip-web-service)"
)
SERVICE_TAGS = "Microsoft: Virtual network service tags (learn.microsoft.com/azure/virtual-network/service-tags-overview)"
PEERING_POLICY = "Microsoft: Peering policy (learn.microsoft.com/azure/internet-peering/policy)"
